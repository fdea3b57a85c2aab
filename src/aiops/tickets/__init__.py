"""Text to triage: what a ticket is about, how urgent, in what mood, whose it is, and what it resembles."""
