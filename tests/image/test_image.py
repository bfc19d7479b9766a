"""What is in the image, and what is said of it."""
