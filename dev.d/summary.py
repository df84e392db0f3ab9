"""Totals and the ten slowest tests of one run, from nextest's JUnit report and, where there is one,
cargo's output for the examples in documentation.

Ends with the line `N passed, N failed` alone, which people and programs read alike. Fails when a
test failed or when none ran: a run that tests nothing is not a green run.
"""

import re
import sys
from pathlib import Path
import xml.etree.ElementTree as xml

SLOWEST = 10


def main(report: str, examples: str) -> int:
    cases = [
        (float(case.get("time", 0)), f'{case.get("classname")} {case.get("name")}', failed(case))
        for case in xml.parse(report).iter("testcase")
    ]
    if not cases:
        print(f"no test ran, says {report}")
        return 1

    print(f"\nThe {min(SLOWEST, len(cases))} slowest tests:")
    for seconds, name, _ in sorted(cases, reverse=True)[:SLOWEST]:
        print(f"{seconds:9.2f} s  {name}")

    log = Path(examples).read_text() if Path(examples).exists() else ""
    fine, wrong = [sum(map(int, re.findall(rf"^test result: .*?(\d+) {word};", log, re.M))) for word in ("passed", "failed")]

    broken = sorted(name for _, name, is_failed in cases if is_failed)
    if broken:
        print("\nFailed:")
        print(*(f"  {name}" for name in broken), sep="\n")
    print(f"\n{len(cases) - len(broken) + fine} passed, {len(broken) + wrong} failed")
    return 1 if broken or wrong else 0


def failed(case: xml.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
