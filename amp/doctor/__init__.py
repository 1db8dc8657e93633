"""What `amp doctor` looks at: the store, the data folder, keys, ledger, learner, machine and service."""
