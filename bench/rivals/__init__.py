"""One adapter for each rival; an adapter runs in its rival's own environment.

An adapter is a module with

- ``DISTRIBUTIONS``: whose versions the report names;
- ``enqueue_each(job, arguments)``: enqueue ``job`` once for each list of arguments, one after the other;
- ``enqueue_batch(job, arguments)``: the same by the rival's own batch call, or the nearest it has;
- ``workers(processes, threads)``: the commands that start its worker processes.

``job`` is ``incr`` (one INCR), ``mark`` (writes down when it was sent and when it started) or ``nap``
(sleeps that many ms, then one INCR); `bench.rivals.work` has what they do.
"""
