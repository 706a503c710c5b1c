"""What runs inside the image: a sensor or an uploader, and their health check."""
