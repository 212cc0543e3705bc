"""Records that wait because they, or an earlier one of the same owner, could not be read."""
