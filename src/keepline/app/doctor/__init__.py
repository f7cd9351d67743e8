"""What of this machine and these settings would hurt, before a device notices."""
