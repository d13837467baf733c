"""Alert quality: what alerts were worth, held against the incidents that people wrote down."""
