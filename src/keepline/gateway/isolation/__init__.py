"""What keeps one handler's failure away from every other session.

Limits of one session (deadlines, budgets), of one class of handlers (suspension), and who is named
when nothing can be limited: the loop is blocked, a task does not end, something grows.
"""
