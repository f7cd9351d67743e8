"""What somebody should know: opened once, kept up to date, resolved once."""
