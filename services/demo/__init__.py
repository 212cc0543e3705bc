"""The demo region: people who do not exist, leading plausible lives, and the truth about them."""
