"""Several models in one table: what people ask for before they choose one.

``model_overview`` is the result, ``model_by_model`` the loop that makes it and goes on where an
earlier one was interrupted (``kept_rows``); ``overview_table``, ``accuracy_chart`` and
``overview_page`` show it.
"""
