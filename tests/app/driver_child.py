"""An app on a real terminal, for the tests of the driver: counts up when `n` is pressed."""

import os
import sys
from typing import ClassVar

from textual.app import App
from textual.widgets import Input, Static

from sensor_tui.app.driver import FrugalDriver


class Child(App):
    AUTO_FOCUS = ""
    BINDINGS: ClassVar = [
        ("n", "count", ""),
        ("f", "forget", ""),
        ("q", "quit", ""),
        ("s", "shell", ""),
        ("t", "flood", ""),
    ]
    number = 0

    def compose(self):
        yield Static("number 0", markup=False)
        yield Static("size", id="size")
        field = Input(id="field")
        field.cursor_blink = False
        yield field

    def on_mount(self):
        self.animation_level = "none"

    def on_resize(self, event):
        self.query_one("#size", Static).update(f"size {event.size.width}x{event.size.height}")

    def action_count(self):
        self.number += 1
        self.query_one(Static).update(f"number {self.number}")

    def action_flood(self):
        for number in range(2000):
            self._driver.write(f"\x1b[5;1H{'x' * 40} flood {number:04}")
        self.action_count()

    def action_forget(self):
        self._driver.forget()

    def action_shell(self):
        with self.suspend():
            sys.__stdout__.write("in the shell\r\n")
            sys.__stdout__.flush()
            os.read(0, 1)


if __name__ == "__main__":
    FrugalDriver.low_bandwidth = "low" in sys.argv
    Child(driver_class=FrugalDriver).run()
    sys.stdout.write("goodbye\n")
