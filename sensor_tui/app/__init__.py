"""The dashboard: screens, widgets and what feeds them."""
