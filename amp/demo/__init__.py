"""The demonstration: synthetic people with hidden tastes talk to a real served instance through the SDK."""
