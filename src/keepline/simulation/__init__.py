"""A gateway, its devices and their network in one thread and in virtual time, decided by a seed."""
