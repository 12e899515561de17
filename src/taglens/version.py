"""The version of the package, by itself: reading it from the installed metadata takes longer than the whole ``taglens --help``."""

VERSION = "0.1.0"
