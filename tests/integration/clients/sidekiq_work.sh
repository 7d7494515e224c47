#!/bin/sh
# A worker and its client.
sidekiq -r ./sidekiq_work.rb -c 2 -q default -t 2 &
ruby sidekiq_work.rb
code=$?
kill -TERM $!
wait $!
exit $code
