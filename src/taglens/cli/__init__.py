"""The command line: one file for each verb, with its options and ``run(config) -> exit status``; heavy imports inside ``run``."""
