"""A backup: everything that a service has to lose, in one file, as of one moment."""
