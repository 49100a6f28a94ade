"""What a stack consists of: one module per service, found by discovery."""
