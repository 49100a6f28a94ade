"""Stream jobs: one file each, plus the runtime that plans and submits them."""
