"""What a node's own series mean: pure rules that find thresholds passed, trends and anomalies."""
