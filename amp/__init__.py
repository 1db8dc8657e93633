"""amp: learns, for every user, which way of helping works."""

__version__ = "0.1.0"
