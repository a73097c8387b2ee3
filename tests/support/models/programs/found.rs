//! Programs that once found something, each as small as it was found.
