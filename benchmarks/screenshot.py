"""A picture of a page: `python benchmarks/screenshot.py runs/demo/prediction/sub-lesion01.html predict.png`.

Needs Chromium. What follows `#` in the address is the state of the page: `#lesion=1` goes to the largest lesion. The
picture has 256 colours, so that a repository can hold it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

FLAGS = (
    *("--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--hide-scrollbars", "--virtual-time-budget=30000"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--state", default="lesion=1")
    parser.add_argument("--size", type=int, nargs=2, default=(1200, 830), help="pixels")
    given = parser.parse_args()
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        parser.error("no Chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        address = f"{given.page.resolve().as_uri()}#{given.state}"
        size = f"--window-size={given.size[0]},{given.size[1]}"
        command = [browser, *FLAGS, size, f"--screenshot={shot}", address]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        Image.open(shot).convert("RGB").quantize(256).save(given.picture, optimize=True)
    print(f"{given.picture}: {given.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
