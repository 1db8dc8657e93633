"""What the commands say and show: data on stdout, talk on stderr."""
