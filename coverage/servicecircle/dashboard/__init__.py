"""The dashboard: one page to plan on, in Chinese with an English switch.

    planning     the page: what is asked, progress, what came out
    ├── inputs      the question's widgets
    ├── results     a plan, shown
    ├── words       every sentence of the page, in both languages
    ├── workspace   one visitor's uploads and plans, on disk and in memory
    ├── asked       what a visitor asks → a scenario
    └── worker      planning in a thread of its own
    launch       starts the server, as ``servicecircle app`` does

Only ``planning``, ``inputs`` and ``results`` import streamlit (``launch`` when it is called).
"""
