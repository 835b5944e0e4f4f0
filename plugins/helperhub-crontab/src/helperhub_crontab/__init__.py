"""Adopts crontab files: every line becomes a helper that runs its command.

files.py     which files, in which format, and whether they may be trusted
parse.py     a file's bytes to lines and problems
naming.py    a line to a name that people recognise and that stays
adopt.py     lines to instances of the helper ``crontab``
run.py       one attempt: a command with its time limit, output and outcome
process.py   the processes of a command: started, fed, read, and none left behind
plugin.py    where HelperHub comes in
"""
