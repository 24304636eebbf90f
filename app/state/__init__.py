"""What a session remembers (``session``, ``uploads``), what its address says (``address``) and what the server keeps (``cache``).

The only user of ``st.session_state``, ``st.query_params`` and ``st.cache_*``: pages ask here.
"""
