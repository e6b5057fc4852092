"""Counts the words of the questions in a JSONL file: the smallest Python job there is."""

import json
import sys


def main(path: str) -> None:
    with open(path, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines if line.strip()]
    for record in records:
        print(f"{record['id']}: {len(record['question'].split())} words")
    print(f"{len(records)} records")


if __name__ == "__main__":
    main(sys.argv[1])
