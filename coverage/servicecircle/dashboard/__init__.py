"""The dashboard: one page to plan on, in Chinese with an English switch.

    planning     the page: what is asked, progress, what came out
    ├── inputs      the question's widgets
    ├── results     a plan, shown
    ├── exports     what is made of a plan for other programs, for doors and decisions
    ├── words       every sentence of the page, in both languages
    ├── workspace   one visitor's uploads and plans, on disk and in memory
    ├── asked       what a visitor asks → a scenario
    ├── worker      planning in a thread of its own
    └── exporting   exporting in a thread of its own
    launch       starts the server, as ``servicecircle app`` does

``planning``, ``inputs``, ``results`` and ``exports`` import streamlit, and ``launch`` when called.
"""
