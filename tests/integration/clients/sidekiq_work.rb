# Sidekiq as an application uses it: a job, one for later, one that fails. REDIS_URL says where and as whom.
require "sidekiq"
require "sidekiq/api"

Sidekiq.configure_server { |config| config[:poll_interval_average] = 1 }

class Note
  include Sidekiq::Job
  sidekiq_options retry: 1

  def perform(word)
    raise "on purpose" if word == "fail"
  end
end

# Else it was loaded by `sidekiq -r`, which works.
if $PROGRAM_NAME == __FILE__
  Note.perform_async("now")
  Note.perform_in(1, "later")
  Note.perform_async("fail")
  ends = Time.now + 90
  until Sidekiq::Stats.new.processed >= 3 && Sidekiq::RetrySet.new.size == 1 && Sidekiq::ScheduledSet.new.size == 0
    abort "no end within 90 s" if Time.now > ends
    sleep 0.2
  end
  abort "no worker has said that it is there" if Sidekiq::ProcessSet.new.size != 1
  Sidekiq::RetrySet.new.clear
end
