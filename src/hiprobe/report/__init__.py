"""What detection leaves behind: JSON, CSV, pictures, annotated video, HTML."""
