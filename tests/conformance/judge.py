"""What is wrong with what a case recorded."""

from tests.conformance.play import Record
from tests.conformance.steps import Case


def judge(case: Case, record: Record, *, promised: bool) -> list[str]:
    """What is wrong with a record. `promised` also asks for what onehop says beyond the RFCs."""
    faults = [f"the upstream received {fault}" for fault in record.upstream_faults] + record.client_faults
    for check in (*case.expect, *(case.promise if promised else ())):
        fault = check(record)
        if fault is not None:
            faults.append(fault)
    return faults
