"""What scripts that judge files have in common: they need no Keras."""


def tell(subject, cases, name, faults):
    """Prints everything that is wrong with each case, and how many are sound; gives what the process exits with."""
    failed = 0
    for case in cases:
        try:
            found = list(faults(case))
        except Exception as error:
            found = [f"{type(error).__name__}: {' '.join(str(error).split())[:2000]}"]
        for line in found:
            print(f"{name(case)}: {line}")
        failed += bool(found)
    print(f"{subject}: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0
