"""Promises: what an employer promised, followed through the story until it is kept or lapses."""
