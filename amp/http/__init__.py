"""Who calls, and in which shape they are answered."""
