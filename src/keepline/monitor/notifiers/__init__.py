"""Who is told of alerts, each in a fence of its own: a program, a command, a web server."""
