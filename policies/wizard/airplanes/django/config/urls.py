from django.urls import path

from core import views

handler500 = views.something_went_wrong

urlpatterns = [
    path("", views.show),
    path("login", views.log_in),
    path("upgrade", views.upgrade),
    path("export", views.export),
    path("logout", views.log_out),
]
