"""Each CHAPTER/NAME.scn is a test: README.md says what may stand in it."""
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from language import Failed, described_events  # noqa: E402
from play import play  # noqa: E402
from world import World  # noqa: E402


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".scn":
        return Chapter.from_parent(parent, path=file_path)
    return None


class Chapter(pytest.File):
    def collect(self):
        yield Scenario.from_parent(self, name=self.path.stem)


class Scenario(pytest.Item):
    def runtest(self):
        with tempfile.TemporaryDirectory(prefix="slipway-scenario-", ignore_cleanup_errors=True) as folder:
            folder = pathlib.Path(folder)
            with World(folder) as world:
                try:
                    play(str(self.path), self.path.read_text(), world)
                    strangers = {event["type"] for event in world.logged()} - described_events()
                    assert not strangers, f"docs/reference/events.md says nothing of {', '.join(sorted(strangers))}"
                except Failed:
                    for name, text in world.witnesses():
                        self.add_report_section("call", name, text)
                    raise

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value) if isinstance(excinfo.value, Failed) else super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, f"{self.path.parent.name}/{self.name}"
