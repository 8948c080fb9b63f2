"""What one failure costs everybody else: onehop beside nginx and HAProxy, each broken in the same ways in one run."""
