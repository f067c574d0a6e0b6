"""The kinds of manager there are, without what it takes to open one."""

MANAGER_KINDS = ("auto", "system", "user", "embedded")
