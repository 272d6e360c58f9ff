UPDATE rackwright_test_clock SET now = $1
