# The one client of the process. `PostHog.capture` and its like go through it from anywhere.
PostHog.init do |config|
  # Without a key the client is disabled, and each call on it does nothing.
  config.api_key = ENV.fetch("POSTHOG_API_KEY", "")
  config.host = ENV.fetch("POSTHOG_HOST", "https://us.i.posthog.com")
  config.test_mode = true if Rails.env.test?
end

PostHog::Rails.configure do |config|
  # Off by default. The user of an exception is what the controller's `current_user` says.
  config.auto_capture_exceptions = true
end
