"""What people use: the command line, the client library, the embedded system for one machine."""

__version__ = "0.1.0"
