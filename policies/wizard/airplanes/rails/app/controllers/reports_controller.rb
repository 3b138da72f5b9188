class ReportsController < ApplicationController
  before_action :require_user, only: %i[upgrade export]
  skip_forgery_protection only: :problem

  PRICE_OF_PRO = 20

  def show
    render current_user ? :show : :login
  end

  def log_in
    # A fake: any e-mail and password will do.
    reset_session
    session[:email] = params.require(:email)
    session[:plan] = "free"

    user = current_user
    PostHog.identify(distinct_id: user.posthog_distinct_id, properties: { email: user.email })
    PostHog.capture(
      distinct_id: user.posthog_distinct_id,
      event: "user_logged_in",
      properties: { method: "password" }
    )
    redirect_to root_path, status: :see_other
  end

  def upgrade
    session[:plan] = "pro"
    # After the thing was done. An event of a server says each time whom it is about.
    PostHog.capture(
      distinct_id: current_user.posthog_distinct_id,
      event: "plan_upgraded",
      properties: { plan: "pro", price: PRICE_OF_PRO }
    )
    redirect_to root_path, status: :see_other
  end

  def export
    send_data to_csv([]), type: "text/csv"
  end

  def log_out
    # The server remembers nobody between requests: nothing to reset.
    reset_session
    redirect_to root_path, status: :see_other
  end

  # The exceptions app. Rails calls it with the status as the path: /404, /500.
  def problem
    status = request.path_info.delete_prefix("/").to_i
    return head(status) unless status == 500 && current_user

    @problem = "Something went wrong on our side, and we have been told about it."
    render :show, status: status
  end

  private

  def to_csv(rows)
    raise "the report has no rows" if rows.empty?

    rows.map { |row| row.join(",") }.join("\n")
  end
end
