"""Why a point is where it is: what binds it, how sure its lead is, why rivals lost, which inputs change it."""
