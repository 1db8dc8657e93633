"""The dashboard: pages that are drawn here, on the server, and work without JavaScript."""
