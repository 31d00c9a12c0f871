//! Analysis of prompt texts: scores, issues, suggestions. Pure: no I/O, no clock but the time of analysis.
