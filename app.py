"""The dashboard's front door: the list of its pages."""

import streamlit as st

from servicecircle.dashboard import planning

st.navigation([st.Page(planning.page, title="服务圈规划", default=True)], position="hidden").run()
