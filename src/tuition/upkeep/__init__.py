"""Look after a store: say what it holds, check its promises, settle, carry, merge, redact, make smaller.

Knows no command line; each verb is a function that gives a record.
"""

from __future__ import annotations

from tuition.upkeep.info import Compacted, StoreInfo, TeacherInfo, compact_store, store_info
from tuition.upkeep.reconcile import Difference, Reconciled, reconcile_store
from tuition.upkeep.redact import Holding, holding, redact_store
from tuition.upkeep.transfer import Carried, Form, export_store, import_rows, merge_stores
from tuition.upkeep.verify import Fault, Verdict, verify_store

__all__ = [
    "Carried",
    "Compacted",
    "Difference",
    "Fault",
    "Form",
    "Holding",
    "Reconciled",
    "StoreInfo",
    "TeacherInfo",
    "Verdict",
    "compact_store",
    "export_store",
    "holding",
    "import_rows",
    "merge_stores",
    "reconcile_store",
    "redact_store",
    "store_info",
    "verify_store",
]
