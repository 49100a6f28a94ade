"""What people are told of alerts: the notice, its words, its signature, and when to try again."""
