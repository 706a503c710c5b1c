"""The archive: documents kept as files, one dataset for each sensor."""
