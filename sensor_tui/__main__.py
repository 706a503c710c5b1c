"""Entry point of `sensor-tui` and `python -m sensor_tui`."""

from sensor_tui.cli.main import main

if __name__ == "__main__":
    main()
