from __future__ import annotations

import sys
from pathlib import Path

# The helper module beside these tests is imported by its own name.
sys.path.insert(0, str(Path(__file__).parent))
